#!/bin/sh
# Further options of `automl run` may follow.
here=$(dirname "$0")
exec "${AUTOML:-automl}" run --param 'lr=1e-4..1:log' --param 'width=2..64:log' --param 'optimizer=SGD|Adam' \
    --metric val_loss:min --algorithm asha --max-fidelity 9 --trials 10 "$@" -- \
    python3 "$here/train.py" --lr '{lr}' --width '{width}' --optimizer '{optimizer}' --epochs '{fidelity}' --resume '{resume}'
