//! Any chunking of any bytes gives the same measurements and notes.

use std::sync::Arc;

use automl_scrape::{Measurement, MetricRules, Metrics, Notes, Scraper, SourceKind};
use proptest::prelude::*;

fn metrics() -> Arc<Metrics> {
    let rules = MetricRules {
        monitoring: vec!["val_loss".into()],
        available: vec!["loss".into(), "mIoU".into(), "val Precision at Rank 1".into()],
        dynamic_patterns: vec!["^AP(50)?_(bbox|segm)$".into()],
        line_patterns: vec![r"^\s*best (?<top1>[\d.]+)".into()],
        failure_patterns: vec!["(?i)nothing to see".into(), r"^\w+Error\b".into()],
    };
    Arc::new(Metrics::compile(&rules).unwrap())
}

fn scrape<'a>(kind: SourceKind, chunks: impl IntoIterator<Item = &'a [u8]>) -> (Vec<Measurement>, Notes) {
    let (mut scraper, mut out) = (Scraper::new(&metrics(), kind), Vec::new());
    for chunk in chunks {
        scraper.push(chunk, &mut out);
    }
    scraper.finish(&mut out);
    (out, scraper.notes().clone())
}

fn cut<'a>(bytes: &'a [u8], cuts: &[prop::sample::Index]) -> Vec<&'a [u8]> {
    let mut ends: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
    ends.push(bytes.len());
    ends.sort_unstable();
    let starts = [0].into_iter().chain(ends.clone());
    starts.zip(&ends).map(|(start, &end)| &bytes[start..end]).collect()
}

/// Pieces that trainers print, and pieces that go wrong.
fn piece() -> impl Strategy<Value = Vec<u8>> {
    let known = prop::sample::select(vec![
        "val_loss",
        "loss",
        ": ",
        "=",
        "0.25",
        "0.5",
        "nan",
        "-inf",
        "12%",
        "Epoch 3/10",
        "epoch=4",
        "step 120",
        " ",
        "\n",
        "\r",
        "\r\n",
        "\x1b[1m",
        "\x1b",
        "\0",
        "45%|###",
        "AP50_bbox",
        "val Precision at Rank 1",
        "[mIoU] ",
        "{\"epoch\": 1, \"kpi\": {\"mIoU\": 0.5}}\n",
        "{\"kpi\": {\"val_loss\": NaN}}\n",
        "{\"epoch\": 2, ",
        "\"val_loss\": 0.1}\n",
        "nothing to see here\n",
        "Execution status: PASS\n",
        "\nValueError: ",
        "café ",
        "epoch,val_loss,mIoU\n",
        "3,0.5,\n",
        "best 0.5 ",
        "\u{feff}",
        "\x08\x08",
    ]);
    prop_oneof![
        12 => known.prop_map(|text| text.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..20),
    ]
}

fn log() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(piece(), 0..80).prop_map(|pieces| pieces.concat())
}

fn kind() -> impl Strategy<Value = SourceKind> {
    prop::sample::select(vec![
        SourceKind::Text,
        SourceKind::StatusJson,
        SourceKind::JsonLines,
        SourceKind::Csv,
        SourceKind::TensorBoard,
    ])
}

/// NaN differs from itself, so results are compared as printed.
fn printed(result: &(Vec<Measurement>, Notes)) -> String {
    format!("{result:?}")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_chunking_gives_the_same(
        bytes in log(),
        kind in kind(),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
    ) {
        let whole = scrape(kind, [bytes.as_slice()]);
        prop_assert_eq!(printed(&scrape(kind, cut(&bytes, &cuts))), printed(&whole));
        prop_assert_eq!(printed(&scrape(kind, bytes.chunks(1))), printed(&whole));
    }

    #[test]
    fn utf16_reads_like_utf8(text in "(loss|val_loss|mIoU)[:=] ?0\\.[0-9]{1,4}(\r?\n| [a-z\u{1f600}]{1,5}\n)") {
        let repeated = text.repeat(3);
        let units: Vec<u8> = repeated.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let utf8 = scrape(SourceKind::Text, [repeated.as_bytes()]);
        prop_assert_eq!(&scrape(SourceKind::Text, units.chunks(3)), &utf8);
        prop_assert_eq!(utf8.0.len(), 3);
    }

    #[test]
    fn lines_that_are_jumped_over_hold_nothing(bytes in log()) {
        // Only behind a value of the monitored `r2x` are quiet lines jumped over.
        let values = |first_line: &str| {
            let rules = MetricRules {
                monitoring: vec!["r2x".into()],
                available: vec!["val_loss".into(), "loss".into(), "mIoU".into()],
                dynamic_patterns: vec!["^AP(50)?_bbox$".into()],
                line_patterns: vec![r"^best (?<mIoU>[\d.]+)".into()],
                failure_patterns: Vec::new(),
            };
            let metrics = Arc::new(Metrics::compile(&rules).unwrap());
            let (mut scraper, mut out) = (Scraper::new(&metrics, SourceKind::Text), Vec::new());
            scraper.push(&[first_line.as_bytes(), &bytes].concat(), &mut out);
            scraper.finish(&mut out);
            out.retain(|found| found.line > 1);
            format!("{out:?}")
        };
        prop_assert_eq!(values("r2x=0.1\n"), values("r2y=0.1\n"));
    }
}
