"""Makes a backbone of the model repository: PyTorch weights in, an ONNX file with card and config out.

    python -m hundredfold.embedding.export [--store DIR] [--model NAME] [--version N] [--weights FILE]

Needs the extra `export`. The service runs this as a process of its own and never imports PyTorch.
"""
