"""One file a paper, made of layers, with a `Model`: a Linen module that keeps this contract.

What the loop asks of a model:

    Model(**config.model)
    __call__(batch, train) -> predictions
    loss(batch, train) -> ({task: (sum [B], weight [B])}, predictions)
        of each example and unreduced: the loop divides global sums once. Predictions are small
        arrays [B, ...], the truth that a metric compares them with among them
    metrics(arrays) -> {name: value}    of the predictions of a whole split
    flops(batch) -> float               of one forward pass over what is there of a host batch

What it may have besides, and who then asks for it:

    columns() -> {prediction: names}            what its numbers stand for, in predictions_test.csv
    combine(arrays, ids) -> (arrays, ids)       rows of a clip that are scored as one
    metrics_of_groups(arrays, groups)           of each film or video, then averaged
    frozen, network_flops(batch)                networks within that may stay as they are
    shown {prediction: kind}, curve_threshold   what a timeline draws, where a curve is an interval
"""
