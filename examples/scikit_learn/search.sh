#!/bin/sh
# Further options of `automl run` may follow.
here=$(dirname "$0")
exec "${AUTOML:-automl}" run --space "$here/space.yaml" --metric accuracy:max --trials 12 "$@" -- \
    python3 "$here/train.py" --c '{c}' --kernel '{kernel}' --gamma '{gamma}'
