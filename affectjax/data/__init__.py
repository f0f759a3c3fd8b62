"""Datasets as NumPy and Grain see them: records, sources, splits, batches. No jax of ours.

A file of examples has `Examples`, the rule by which a record becomes arrays of fixed shape:

    spec() -> {name: (shape, dtype)}    of an example, without B
    empty() -> {name: array}            one that counts for nothing
    train(record, rng)                  one to learn from; rng is a draw of (seed, step)
    parts(record), evaluate(record, i)  how many rows a record takes when scored, and the i-th

What a rule may have besides, and who then asks for it:

    check(spec, where)      at the start: does the dataset have what it needs?
    statistics(source)      of the training part's targets, for layers that standardise
    into_clips(source)      films become the clips they are read in
    full()                  what of a full example is not ones, where a step is planned
"""
