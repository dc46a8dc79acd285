"""Fine-tuning a backbone on labels, in a process of its own: `python -m hundredfold.training.finetune TASK`.

The service imports `recipe` and `task` alone, which do without PyTorch.
"""
