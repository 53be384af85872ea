"""Data: the digits, MNIST, Fashion-MNIST, sensors of people, and few-shot tasks.

Read images.py (most lessons), fewshot.py (meta_learning), har.py (edge_budget). The
larger ones come by download.py.
"""

from .images import Dataset, digits, fashion_mnist, mnist
