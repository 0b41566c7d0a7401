"""What is remembered and how it gets there: settings, store, readers, pipeline, caches, tasks, shell."""
