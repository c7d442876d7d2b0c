"""People in SQL: users, their roles and passwords, and the audit of what anybody changed."""
