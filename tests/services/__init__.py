"""Real RabbitMQ and PostgreSQL servers for the tests."""
