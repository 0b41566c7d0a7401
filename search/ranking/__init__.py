"""Ranking by attention: the token states of a query attend to those of each candidate passage."""
