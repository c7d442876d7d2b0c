"""What the database remembers: tables, migrations, repositories."""
