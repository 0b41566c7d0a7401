"""The core of xunyi: text analysis, encoders, indexes, fusion and evaluation; arrays and records in and out."""
