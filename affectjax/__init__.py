"""affectjax: which emotions does a video evoke in the people who watch it?"""

__version__ = "0.1.0"


def load(export):
    """Load an exported model; see `affectjax.export.Export`."""
    from affectjax import export as exports  # jax starts here, so that the import stays quick

    return exports.load(export)
