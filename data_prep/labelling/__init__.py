"""Comments and what people and classifiers say of them: corpora, rounds of labelling, agreement."""
