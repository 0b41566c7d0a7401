"""HTTP: the JSON API and the pages, each a thin edge over ``indexer.service.Service``."""
