"""The core of xunyi: text analysis, encoders, indexes, fusion, evaluation; arrays and records in and out."""
