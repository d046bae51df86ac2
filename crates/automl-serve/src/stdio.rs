//! One message a line over standard streams, or any others.

use crate::{MESSAGE_MAX, Service, rpc};
use std::io::{self, BufRead, ErrorKind, Read, Write};

/// Answers messages until the input ends, or nobody reads the answers any more.
///
/// # Errors
/// If the streams fail otherwise.
pub fn serve(service: &mut Service, mut input: impl BufRead, mut output: impl Write) -> io::Result<()> {
    while let Some(line) = next_line(&mut input)? {
        let answer = match line {
            Line::Text(text) if text.trim().is_empty() => None,
            Line::Text(text) => service.answer(&text),
            Line::Bad(why) => Some(rpc::refusal(why)),
        };
        let Some(mut answer) = answer else { continue };
        answer.push('\n');
        match output.write_all(answer.as_bytes()).and_then(|()| output.flush()) {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => return Ok(()),
            written => written?,
        }
    }
    Ok(())
}

enum Line {
    Text(String),
    Bad(&'static str),
}

/// Reads a line; of one that is too long, or no text, only that is known. `None` at the end.
fn next_line(input: &mut impl BufRead) -> io::Result<Option<Line>> {
    let mut bytes = Vec::new();
    let limit = MESSAGE_MAX as u64 + 1;
    if input.by_ref().take(limit).read_until(b'\n', &mut bytes)? == 0 {
        return Ok(None);
    }
    if bytes.len() > MESSAGE_MAX && bytes.last() != Some(&b'\n') {
        skip_line(input)?;
        return Ok(Some(Line::Bad("the message is longer than 32 MiB")));
    }
    Ok(Some(String::from_utf8(bytes).map_or(Line::Bad("the message is not UTF-8"), Line::Text)))
}

fn skip_line(input: &mut impl BufRead) -> io::Result<()> {
    loop {
        let buffer = input.fill_buf()?;
        let end = buffer.iter().position(|byte| *byte == b'\n');
        let used = end.map_or(buffer.len(), |at| at + 1);
        let over = end.is_some() || buffer.is_empty();
        input.consume(used);
        if over {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    fn talk(input: &[u8]) -> Vec<Value> {
        let mut output = Vec::new();
        serve(&mut Service::new("/nowhere".into()), input, &mut output).unwrap();
        String::from_utf8(output).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    #[test]
    fn bad_lines_are_answered_and_the_next_one_is_heard() {
        let mut input = b"\xff\xfe\n\n{\n".to_vec();
        input.extend(vec![b' '; MESSAGE_MAX + 10]);
        input.extend(b"\n{\"id\": 1, \"method\": \"version\"}");
        let answers = talk(&input);
        assert_eq!(answers.len(), 4);
        assert!(answers[0]["error"]["message"].as_str().unwrap().contains("not UTF-8"));
        assert!(answers[2]["error"]["message"].as_str().unwrap().contains("32 MiB"));
        assert_eq!(answers[3]["result"]["protocol"], 1);
    }
}
