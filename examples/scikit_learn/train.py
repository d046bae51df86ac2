#!/usr/bin/env python3
"""Fits a support vector machine to handwritten digits and prints how many it gets right.

The digits come with scikit-learn. Nothing here knows of automl: parameters are arguments, the result is a line.
"""

import argparse

from sklearn.datasets import load_digits
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--c", type=float, required=True, help="how dear mistakes are")
    parser.add_argument("--kernel", choices=["rbf", "linear"], required=True)
    parser.add_argument("--gamma", default="", help="reach of the kernel rbf; empty for the library's own")
    args = parser.parse_args()
    gamma = float(args.gamma) if args.gamma else "scale"
    model = make_pipeline(StandardScaler(), SVC(C=args.c, kernel=args.kernel, gamma=gamma))
    data, labels = load_digits(return_X_y=True)
    scores = cross_val_score(model, data[::3], labels[::3], cv=3)
    print(f"accuracy: {scores.mean():.5f}")


if __name__ == "__main__":
    main()
