//! Small, medium and large objects, with the area limits of the COCO metrics.

/// Area below which an object is small, px².
const SMALL_BELOW: f64 = 32.0 * 32.0;
/// Area below which an object is medium, px².
const MEDIUM_BELOW: f64 = 96.0 * 96.0;

/// How large an object is in its image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum SizeClass {
    /// Below 32² px².
    Small,
    /// Below 96² px².
    Medium,
    /// 96² px² and above.
    Large,
}

impl SizeClass {
    /// All classes, small first.
    pub(crate) const ALL: [Self; 3] = [Self::Small, Self::Medium, Self::Large];

    /// Class of an area in px².
    pub(crate) fn of_area(area: f64) -> Self {
        if area < SMALL_BELOW {
            Self::Small
        } else if area < MEDIUM_BELOW {
            Self::Medium
        } else {
            Self::Large
        }
    }

    /// Name in metric names.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Small => "small",
            Self::Medium => "medium",
            Self::Large => "large",
        }
    }

    /// Factor by which the encoder's feature map is resized before the pixel head.
    pub(crate) fn feature_scale(self) -> f64 {
        match self {
            Self::Small => 0.5,
            Self::Medium => 1.0,
            Self::Large => 2.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_belong_to_the_larger_class() {
        assert_eq!(SizeClass::of_area(1023.9), SizeClass::Small);
        assert_eq!(SizeClass::of_area(1024.0), SizeClass::Medium);
        assert_eq!(SizeClass::of_area(9216.0), SizeClass::Large);
    }
}
