"""affectjax: which emotions does a video evoke in the people who watch it?"""

__version__ = "0.1.0"
