//! `dataset.yaml`, beside the data of one dataset.

use super::{Others, Shape, TEXT_OR_TEXTS, Table, optional, required};

const CONVERSION: Shape = Shape::Object(
    &[
        required("results", Shape::Text, "folder that it wrote to, relative to this file"),
        optional("id", Shape::Text, "number of the job; the name of its folder where absent"),
        optional("spec", Shape::Text, "its spec, relative to this file"),
    ],
    Others::Open,
);

/// The file's table.
pub(crate) const DATASET: Table = Table {
    title: "Dataset",
    definitions: &[],
    root: Shape::Object(
        &[
            optional(
                "format",
                Shape::Text,
                "format of the files, as the network names it (`coco`, `default`)",
            ),
            optional(
                "intent",
                TEXT_OR_TEXTS,
                "what the data is for: training, evaluation, testing, calibration",
            ),
            optional("type", Shape::Text, "kind of data, for example `segmentation`"),
            optional("id", Shape::Text, "name of the dataset; its folder's where absent"),
            optional("metadata", Shape::Map(&Shape::Any), "facts that rules of a network ask for"),
            optional("convert", CONVERSION, "job that made another form of the data"),
        ],
        Others::Open,
    ),
};
