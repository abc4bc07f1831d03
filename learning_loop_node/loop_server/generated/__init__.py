"""Projects that the loop draws by itself, for tests and demos."""
