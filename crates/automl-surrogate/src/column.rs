//! What a coordinate of a row means to the kernel and to the search.

/// Value of a categorical coordinate whose parameter is inactive.
const INACTIVE_CATEGORY: f64 = -1.0;

/// Kind of one coordinate of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Column {
    /// Any value of `[0, 1]`.
    Continuous,
    /// One of `levels` equally wide cells; level `k` has the value `(k + 0.5) / levels`.
    Grid {
        /// Number of levels, at least 1.
        levels: u32,
    },
    /// An unordered choice, stored as its index `0..choices`; an inactive choice is stored as -1.
    Categorical {
        /// Number of choices, at least 1.
        choices: u32,
    },
}

impl Column {
    /// Whether two different values are simply "different", whatever their distance.
    pub fn is_categorical(self) -> bool {
        matches!(self, Column::Categorical { .. })
    }

    /// Returns the number of distinct active values, or `None` for a continuous column.
    pub fn levels(self) -> Option<u32> {
        match self {
            Column::Continuous => None,
            Column::Grid { levels } => Some(levels),
            Column::Categorical { choices } => Some(choices),
        }
    }

    /// Maps a number of `[0, 1]` onto a value of this column, in equal shares for finite columns.
    pub fn from_unit(self, unit: f64) -> f64 {
        match self {
            Column::Continuous => unit.clamp(0.0, 1.0),
            Column::Grid { levels } => level_value(cell(unit, levels), levels),
            Column::Categorical { choices } => f64::from(cell(unit, choices)),
        }
    }

    /// Moves `value` to the nearest value of this column; an inactive category stays inactive.
    pub fn snap(self, value: f64) -> f64 {
        match self {
            Column::Continuous | Column::Grid { .. } => self.from_unit(value),
            Column::Categorical { choices } => value.clamp(INACTIVE_CATEGORY, f64::from(choices - 1)),
        }
    }

    /// Returns the value of level `k` of a finite column.
    ///
    /// # Panics
    /// Panics for a continuous column, and for `k` beyond the last level.
    pub fn level(self, k: u32) -> f64 {
        let levels = self.levels().expect("a continuous column has no levels");
        assert!(k < levels, "level {k} of a column with {levels} levels");
        match self {
            Column::Categorical { .. } => f64::from(k),
            Column::Continuous | Column::Grid { .. } => level_value(k, levels),
        }
    }

    /// Returns the level that holds `value`, or `None` for a continuous column and an inactive category.
    pub fn level_of(self, value: f64) -> Option<u32> {
        match self {
            Column::Continuous => None,
            Column::Grid { levels } => Some(cell(value, levels)),
            Column::Categorical { .. } if value <= INACTIVE_CATEGORY => None,
            Column::Categorical { choices } => Some((value as u32).min(choices - 1)),
        }
    }
}

fn cell(unit: f64, levels: u32) -> u32 {
    ((unit.clamp(0.0, 1.0) * f64::from(levels)) as u32).min(levels - 1)
}

fn level_value(k: u32, levels: u32) -> f64 {
    (f64::from(k) + 0.5) / f64::from(levels)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grid_values_are_cell_centres() {
        let column = Column::Grid { levels: 4 };
        let values: Vec<f64> = (0..4).map(|k| column.level(k)).collect();
        assert_eq!(values, [0.125, 0.375, 0.625, 0.875]);
        assert_eq!(column.from_unit(0.0), 0.125);
        assert_eq!(column.from_unit(1.0), 0.875);
    }

    #[test]
    fn every_level_finds_itself_again() {
        for levels in [1, 2, 3, 7, 49, 1000, 65_537] {
            for column in [Column::Grid { levels }, Column::Categorical { choices: levels }] {
                for k in [0, levels / 3, levels / 2, levels - 1] {
                    assert_eq!(column.level_of(column.level(k)), Some(k), "{column:?}");
                    assert_eq!(column.snap(column.level(k)), column.level(k), "{column:?}");
                }
            }
        }
    }

    #[test]
    fn inactive_category_has_no_level_and_stays_inactive() {
        let column = Column::Categorical { choices: 3 };
        assert_eq!(column.level_of(INACTIVE_CATEGORY), None);
        assert_eq!(column.snap(INACTIVE_CATEGORY), INACTIVE_CATEGORY);
    }
}
