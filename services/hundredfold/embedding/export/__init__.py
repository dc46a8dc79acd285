"""Puts a backbone into the model repository: a network or a file in, a checked ONNX file with card and config out.

    python -m hundredfold.embedding.export [SPEC] [--store DIR] [--name NAME] [--version N] [--licence TEXT]

SPEC is one of

    efficientnet-lite0                     a network that comes with its weights (the default)
    torchvision:resnet50:FILE              networks of a library with weights of yours, FILE: a state dict,
    timm:vit_small_patch16_224:FILE        as safetensors or written by `torch.save`
    open_clip:ViT-B-32:FILE
    onnx:FILE                              a graph of yours, with a `model.json` beside it (`description.py`)
    triton:NAME@VERSION                    a model that a Triton server of yours serves (--url HOST:PORT)

Needs the extra `export`; timm and open_clip come with the extra `models`. Nothing is ever downloaded. The
service runs this as a process of its own and never imports PyTorch.
"""
