"""The same networks on every backend, over drawn configurations: ``make differential``."""
