"""Quality on judged questions: reading a judged collection, and measuring runs against it."""
