"""The steps from one schema of the database to the next, applied by Alembic when the loop starts."""
