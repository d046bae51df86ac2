//! The other side of `automl serve --stdio`: one call a line.

use crate::support::TestEnv;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};

/// A served study, one call a line.
pub(crate) struct Talk {
    pub(crate) child: Child,
    pub(crate) calls: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    id: u64,
}

impl Talk {
    /// Starts `automl serve --stdio`.
    pub(crate) fn begin(env: &TestEnv) -> Self {
        let mut command = env.command("serve --stdio");
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (calls, answers) = (child.stdin.take(), BufReader::new(child.stdout.take().unwrap()));
        Talk { child, calls, answers, id: 0 }
    }

    /// Sends a line as it is; returns the answer.
    pub(crate) fn line(&mut self, message: &str) -> Value {
        writeln!(self.calls.as_mut().unwrap(), "{message}").unwrap();
        let mut answer = String::new();
        self.answers.read_line(&mut answer).unwrap();
        serde_json::from_str(&answer).unwrap_or_else(|error| panic!("{error}: {answer:?} to {message}"))
    }

    fn call(&mut self, method: &str, params: Value) -> Value {
        self.id += 1;
        let answer = self.line(&json!({"id": self.id, "method": method, "params": params}).to_string());
        assert_eq!(answer["id"], self.id);
        answer
    }

    /// Calls a method that has to succeed; returns its result.
    pub(crate) fn ok(&mut self, method: &str, params: Value) -> Value {
        let answer = self.call(method, params);
        assert!(answer.get("error").is_none(), "{method}: {answer}");
        answer["result"].clone()
    }

    /// Calls a method that has to be refused; returns the error.
    pub(crate) fn refused(&mut self, method: &str, params: Value) -> Value {
        let answer = self.call(method, params.clone());
        assert!(answer["error"]["message"].is_string(), "{method} {params}: {answer}");
        answer["error"].clone()
    }
}

impl Drop for Talk {
    fn drop(&mut self) {
        self.calls.take();
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
