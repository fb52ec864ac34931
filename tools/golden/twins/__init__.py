"""Plain PyTorch twins of families whose published checkpoints bring their own code.

Written from the published architectures. A twin's parameters carry the names of the published checkpoint, its
constructor reads the published config.json, and calling it with one text's token ids gives the hidden states: the
embeddings' output, then every block's.
"""
