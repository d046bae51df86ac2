//! Parameter schemas.

use super::{Field, Others, Shape, TEXTS, Table, optional, required};

const BOUND: Shape = Shape::Either(&[Shape::Number, Shape::Text, Shape::List(&Shape::Number)]);
const DEFAULTS: Shape = Shape::Map(&Shape::Any);

const LEAF: [Field; 26] = [
    optional("type", Shape::Text, "float, int, bool, string, categorical, ordered_int, list_2, dict, …"),
    optional("anyOf", Shape::List(&DEFAULTS), "in place of `type`; the first branch counts"),
    optional("default", Shape::Any, "value of the default spec; `???` where one has to be set"),
    optional("minimum", BOUND, "lower bound; may be -Infinity, or a list for a list's items"),
    optional("maximum", BOUND, "upper bound; may be Infinity, or a list for a list's items"),
    optional("enum", Shape::List(&Shape::Any), "the options"),
    optional(
        "open",
        Shape::Truth,
        "of options: others of their type are allowed; of a group: keys that it does not list are passed on",
    ),
    optional("option_weights", Shape::List(&Shape::Number), "prior weights, one for each option"),
    optional("automl_enabled", Shape::Truth, "whether it is meant to be searched"),
    optional("popular", Shape::Any, "among the parameters that users change most"),
    optional("description", Shape::Text, "what it does"),
    optional(
        "math_cond",
        Shape::Text,
        "conditions on values: `> 0 <= 1`, `^ 2`, `/ 8`, `> depends_on`, `<= 2*a.b`",
    ),
    optional("depends_on", Shape::Text, "the parameter that `math_cond` refers to"),
    optional("parent_param", Shape::Truth, "whether others depend on it"),
    optional("title", Shape::Text, "name for display"),
    optional("examples", Shape::Any, "sensible values"),
    optional("pattern", Shape::Text, "regular expression of texts"),
    optional("required", Shape::Any, "for other readers"),
    optional("format", Shape::Any, "for other readers"),
    optional("items", Shape::Any, "for other readers"),
    optional("properties", PROPERTIES, "the keys of a group, in place of everything above"),
    optional(
        "one_of",
        TEXTS,
        "of a group: its inner groups of which one is taken and the others are null; `none` for none of them",
    ),
    optional(
        "active_if",
        DEFAULTS,
        "other keys and what they must be for this one to mean anything: a value, a list, `> 0`, {not: [values]}",
    ),
    optional("display_name", Shape::Text, "name for display"),
    optional("link", Shape::Text, "where to read more"),
    optional("regex", Shape::Text, "regular expression of texts"),
];

/// Schemas in the field repeat the lists of names among the properties.
const PROPERTIES: Shape = Shape::Map(&Shape::Either(&[Shape::Named("parameter"), TEXTS]));

const RULE: Shape = Shape::Object(
    &[
        required("rule", Shape::Text, "the rule in words, quoted where it is broken"),
        optional("when", DEFAULTS, "keys and tests that decide whether the rule applies"),
        optional("must_be", DEFAULTS, "keys and tests that must then hold"),
        optional("make", DEFAULTS, "keys and the values, or arithmetic over other keys, that they are given"),
        optional("remove", TEXTS, "keys that are left out"),
    ],
    Others::Closed,
);

/// The file's table.
pub(crate) const SCHEMA: Table = Table {
    title: "Parameter schema",
    definitions: &[("parameter", Shape::Object(&LEAF, Others::Open))],
    root: Shape::Object(
        &[
            required("properties", PROPERTIES, "groups and parameters by name"),
            optional("automl_default_parameters", TEXTS, "dotted names searched where the user names none"),
            optional(
                "automl_disabled_parameters",
                TEXTS,
                "dotted names, also of groups, not meant to be searched",
            ),
            optional(
                "rules",
                Shape::List(&RULE),
                "what must hold between keys, and what follows from others",
            ),
            optional(
                "renamed",
                Shape::Map(&Shape::Text),
                "keys of other versions: the key that took each one's place, or a remark",
            ),
            optional("default", DEFAULTS, "the default spec; made of the parameters' own where absent"),
            optional("type", Shape::Text, "`object`"),
            optional("popular", Shape::Any, "for other readers"),
            optional("required", Shape::Any, "for other readers"),
            optional("title", Shape::Text, "name for display"),
            optional("description", Shape::Text, "what it is"),
            optional("x_tao_schema", DEFAULTS, "where the schema comes from"),
            optional("$schema", Shape::Text, "format of this file, for editors"),
        ],
        Others::Open,
    ),
};
