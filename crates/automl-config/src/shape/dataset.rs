//! `dataset.yaml`, beside the data of one dataset.

use super::{Others, Shape, TEXT_OR_TEXTS, Table, optional};

/// The file's table; it is also what the file is checked by.
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
        ],
        Others::Closed,
    ),
};
