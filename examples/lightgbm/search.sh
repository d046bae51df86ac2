#!/bin/sh
# Further options of `automl run` may follow.
here=$(dirname "$0")
exec "${AUTOML:-automl}" run --param 'learning_rate=1e-3..0.5:log' --param 'num_leaves=4..64:log' \
    --param 'min_data_in_leaf=2..50' --param 'feature_fraction=0.3..1' --log metrics.csv --metric val_loss:min \
    --algorithm hyperband --max-fidelity 9 --trials 14 "$@" -- python3 "$here/train.py"
