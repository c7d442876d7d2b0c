"""How messages move: RabbitMQ, the journal and the in-memory twin."""
