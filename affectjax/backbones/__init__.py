"""The pre-trained networks that give the features, and the way their published weights come in."""
