// The precompiled LibTorch header belongs to this otherwise empty file.
