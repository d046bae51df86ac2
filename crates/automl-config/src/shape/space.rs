//! Search space files.

use super::{Others, Shape, TEXT_OR_TEXTS, Table, optional, required};

const NUMBERS: Shape = Shape::List(&Shape::Number);
const TYPES: Shape = Shape::Words(&["float", "int", "bool", "categorical", "ordinal"]);
const SCALES: Shape = Shape::Words(&["linear", "log"]);
const VALUES: Shape = Shape::List(&Shape::Any);

const CONDITION: Shape = Shape::Object(
    &[
        required("parent", Shape::Text, "parameter that decides"),
        required("in", Shape::Any, "values of the parent under which this parameter exists"),
    ],
    Others::Closed,
);

/// All of them must hold.
const CONDITIONS: Shape = Shape::Either(&[CONDITION, Shape::List(&CONDITION)]);

const DISTRIBUTION: Shape = Shape::Object(
    &[
        required("type", TYPES, "kind of values"),
        optional("low", Shape::Number, "smallest value"),
        optional("high", Shape::Number, "largest value"),
        optional("step", Shape::Number, "grid width"),
        optional("scale", SCALES, "whether differences or ratios count"),
        optional("choices", VALUES, "the options"),
        optional("weights", NUMBERS, "prior weights, one for each option"),
    ],
    Others::Closed,
);

const PARAMETER: Shape = Shape::Object(
    &[
        optional("name", Shape::Text, "name; in an object of parameters its key"),
        optional("type", TYPES, "kind of values"),
        optional("low", Shape::Number, "smallest value"),
        optional("high", Shape::Number, "largest value"),
        optional("step", Shape::Number, "grid width"),
        optional("scale", SCALES, "whether differences or ratios count"),
        optional("choices", VALUES, "the options"),
        optional("weights", NUMBERS, "prior weights, one for each option"),
        optional("distribution", DISTRIBUTION, "the keys from `type` to `weights`"),
        optional("default", Shape::Any, "value to start from"),
        optional(
            "condition",
            CONDITIONS,
            "when the parameter exists: one condition, or several that must all hold",
        ),
        optional("conditions", CONDITIONS, "the same"),
        optional("relations", TEXT_OR_TEXTS, "comparisons with other parameters, for example `> depth`"),
    ],
    Others::Closed,
);

/// A value alone is a fixed parameter.
const ITEM: Shape = Shape::Either(&[Shape::Text, Shape::Named("parameter"), Shape::Number, Shape::Truth]);

/// The file's table.
pub(crate) const SPACE: Table = Table {
    title: "Search space",
    definitions: &[("parameter", PARAMETER)],
    root: Shape::Either(&[
        Shape::List(&ITEM),
        // Either the list under its key, or an object from names to parameters.
        Shape::Map(&Shape::Either(&[ITEM, Shape::List(&ITEM)])),
    ]),
};
