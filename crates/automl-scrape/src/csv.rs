//! Reads tables with a header line.
//!
//! Column names are resolved like names in a text; columns called `epoch`, `step` and the like place
//! a row, by the rules of `position.rs`. Cells that are empty or no numbers say nothing, so that a
//! table with training and validation rows of its own is read as it is.
//!
//! A table may gain columns while it grows: Lightning's `CSVLogger` then writes the whole file anew,
//! Keras' and others' append a second header. Both are understood: a line without any number that
//! names a known column is a header again, and after [`CsvReader::begin_again`] as many rows as had
//! been read are skipped, because they are the same rows. A quoted cell may not hold a line end.

use csv_core::{ReadRecordResult, Reader, ReaderBuilder};

use crate::notes::Notes;
use crate::number::number_from_str;
use crate::position::{self, Mention, Position};
use crate::resolve::{LineValues, Resolver};
use crate::rules::Metrics;
use crate::scraper::Measurement;

/// What separates cells; of equally frequent ones in the header the first.
const DELIMITERS: [u8; 3] = [b',', b'\t', b';'];

/// Most columns that are read; further ones are ignored.
const COLUMNS_MAX: usize = 4096;

/// Reads one table.
#[derive(Debug, Default)]
pub(crate) struct CsvReader {
    header: Option<Header>,
    rows_read: u64,
    /// Rows still to come that were read before the table was written anew.
    rows_known: u64,
    position: Position,
    resolver: Resolver,
}

#[derive(Debug)]
struct Header {
    delimiter: u8,
    columns: Vec<String>,
}

impl CsvReader {
    /// Reads one clean line; lines before the header and foreign lines give nothing.
    pub(crate) fn read(
        &mut self,
        metrics: &Metrics,
        line: &[u8],
        number: u64,
        notes: &mut Notes,
    ) -> Option<Measurement> {
        if line.trim_ascii().is_empty() {
            return None;
        }
        let Some(header) = &self.header else {
            self.header = Some(Header::read(line));
            return None;
        };
        let cells = split(line, header.delimiter);
        if header.is_repeated_by(&cells) {
            self.header = Some(Header::read(line));
            return None;
        }
        if self.rows_known > 0 {
            self.rows_known -= 1;
            return None;
        }
        self.rows_read += 1;
        self.read_row(metrics, &cells, number, notes)
    }

    /// The table is written anew: its header comes again, and so do the rows.
    pub(crate) fn begin_again(&mut self) {
        self.header = None;
        self.rows_known = self.rows_read;
    }

    fn read_row(
        &mut self,
        metrics: &Metrics,
        cells: &[String],
        number: u64,
        notes: &mut Notes,
    ) -> Option<Measurement> {
        let columns = self.header.as_ref().map_or(&[][..], |header| &header.columns);
        let mut mention = Mention::default();
        let mut values = LineValues::default();
        for (name, cell) in columns.iter().zip(cells) {
            let Some(value) = number_from_str(cell) else { continue };
            let is_counter = mention.take(name, value);
            match self.resolver.whole(metrics, name.as_bytes()) {
                Some(found) => values.offer(found, value),
                None if is_counter || position::is_counter(name.as_bytes()) => {}
                None => notes.see(name.as_bytes(), number),
            }
        }
        self.position.move_to(&mention);
        notes.epoch = mention.epoch.or(notes.epoch);
        let values = self.resolver.settle(values);
        let step = self.position.step(&mention);
        (!values.is_empty()).then_some(Measurement { step, values, line: number })
    }
}

impl Header {
    fn read(line: &[u8]) -> Self {
        let count = |delimiter: &u8| line.iter().filter(|byte| *byte == delimiter).count();
        let delimiter = DELIMITERS.into_iter().rev().max_by_key(count).expect("there are delimiters");
        Self { delimiter, columns: split(line, delimiter) }
    }

    /// Whether a row names columns instead of giving values.
    fn is_repeated_by(&self, cells: &[String]) -> bool {
        let known = |cell: &String| !cell.is_empty() && self.columns.contains(cell);
        cells.iter().any(known) && !cells.iter().any(|cell| number_from_str(cell).is_some())
    }
}

/// Splits a line into trimmed cells.
fn split(line: &[u8], delimiter: u8) -> Vec<String> {
    let mut reader: Reader = ReaderBuilder::new().delimiter(delimiter).build();
    let mut text = vec![0; line.len() + 1];
    let mut ends = vec![0; line.iter().filter(|byte| **byte == delimiter).count().min(COLUMNS_MAX) + 2];
    let (mut read, mut written, mut cells) = (0, 0, 0);
    loop {
        let (result, input, output, found) =
            reader.read_record(&line[read..], &mut text[written..], &mut ends[cells..]);
        (read, written, cells) = (read + input, written + output, cells + found);
        // The end of the line is the end of the input, which the reader learns from an empty read.
        if !matches!(result, ReadRecordResult::InputEmpty) {
            break;
        }
    }
    let starts = std::iter::once(0).chain(ends.iter().copied());
    let bounds = starts.zip(&ends[..cells]).filter(|(start, end)| start <= end);
    bounds.map(|(start, end)| String::from_utf8_lossy(text[start..*end].trim_ascii()).into_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::MetricRules;

    /// Step and values of a measurement.
    type Read = (Option<u64>, Vec<(String, f64)>);

    fn metrics() -> Metrics {
        let monitoring = vec!["val/loss".into()];
        Metrics::compile(&MetricRules { monitoring, available: vec!["acc".into()], ..MetricRules::default() })
            .unwrap()
    }

    fn feed(reader: &mut CsvReader, lines: &[&str]) -> Vec<Read> {
        let (metrics, mut notes) = (metrics(), Notes::default());
        let read = lines.iter().filter_map(|line| reader.read(&metrics, line.as_bytes(), 1, &mut notes));
        read.map(|found| (found.step, found.values.into_iter().collect())).collect()
    }

    fn loss(step: u64, value: f64) -> Read {
        (Some(step), vec![("val/loss".into(), value)])
    }

    #[test]
    fn rows_with_empty_cells_are_read() {
        let lines = ["epoch,step,train_loss,val/loss", "0,9,0.7,", "0,9,,0.5", "1,19,,0.25"];
        assert_eq!(feed(&mut CsvReader::default(), &lines), [loss(0, 0.5), loss(1, 0.25)]);
    }

    #[test]
    fn any_delimiter_and_padding_will_do() {
        for lines in [["epoch\tval/loss", "3\t0.5"], ["  epoch;   val/loss", "   3;  0.5"]] {
            assert_eq!(feed(&mut CsvReader::default(), &lines), [loss(3, 0.5)]);
        }
        assert_eq!(
            feed(&mut CsvReader::default(), &["\"val/loss\",\"a, b\"", "0.5,\"x, \"\"y\"\"\""]).len(),
            1
        );
    }

    #[test]
    fn rewritten_table_tells_its_new_rows_only() {
        let mut reader = CsvReader::default();
        assert_eq!(feed(&mut reader, &["epoch,val/loss", "0,0.5", "1,0.4"]).len(), 2);
        reader.begin_again();
        let again = ["epoch,val/loss,acc", "0,0.5,", "1,0.4,", "2,0.3,0.9"];
        assert_eq!(
            feed(&mut reader, &again),
            [(Some(2), vec![("acc".into(), 0.9), ("val/loss".into(), 0.3)])]
        );
    }

    #[test]
    fn appended_header_replaces_the_first() {
        let lines = ["epoch,val/loss", "0,0.5", "epoch,acc,val/loss", "1,0.9,0.4"];
        let found = feed(&mut CsvReader::default(), &lines);
        assert_eq!(found[1], (Some(1), vec![("acc".into(), 0.9), ("val/loss".into(), 0.4)]));
    }

    #[test]
    fn odd_rows_say_what_they_can() {
        let lines = ["epoch,val/loss", "text", "0,nan", "1", "2,0.5,7,8", ",,,,", "\"torn, 3"];
        let found = feed(&mut CsvReader::default(), &lines);
        assert!(found[0].1[0].1.is_nan());
        assert_eq!(found[1..], [loss(2, 0.5)]);
    }
}
