"""Data: the digits, MNIST, Fashion-MNIST, sensors of people, and few-shot tasks.

Read images.py (most lessons), fewshot.py (meta_learning), har.py (edge_budget), smartwatch.py
(federated_learning). The digits and the watch are in the package, the others come by download.py.
"""

from .images import Dataset, digits, fashion_mnist, mnist
