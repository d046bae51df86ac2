//! Just enough of Python's pickle format to list the tensors of a PyTorch file.
//!
//! A pickle is a program for a stack machine. Only the instructions that `torch.save` writes for
//! nested mappings of tensors are known; calls are recognised by name and never executed, so a
//! hostile file can at worst be refused. No tensor data is read here.

use std::collections::BTreeMap;

use tch::Kind;

/// Where the numbers of one tensor lie.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct TensorRecord {
    /// Name of the storage within the archive.
    pub(super) storage: String,
    /// Type of the numbers.
    pub(super) kind: Kind,
    /// First number, counted from the start of the storage.
    pub(super) offset: i64,
    /// Shape.
    pub(super) size: Vec<i64>,
    /// Distance between neighbours along each dimension, in numbers.
    pub(super) stride: Vec<i64>,
}

/// Lists the tensors of a pickle; names of nested mappings are joined with dots.
pub(super) fn tensors(pickle: &[u8]) -> Result<BTreeMap<String, TensorRecord>, String> {
    let mut machine = Machine { input: pickle, stack: Vec::new(), memo: BTreeMap::new() };
    let root = machine.run()?;
    let mut found = BTreeMap::new();
    flatten(root, String::new(), &mut found);
    Ok(found)
}

#[derive(Debug, Clone)]
enum Item {
    Mark,
    Integer(i64),
    Text(String),
    Sequence(Vec<Item>),
    Mapping(Vec<(Item, Item)>),
    Global(String),
    Storage {
        name: String,
        kind: Kind,
    },
    Tensor(TensorRecord),
    /// Anything that holds no tensor.
    Opaque,
}

struct Machine<'a> {
    input: &'a [u8],
    stack: Vec<Item>,
    memo: BTreeMap<u64, Item>,
}

impl Machine<'_> {
    fn run(&mut self) -> Result<Item, String> {
        loop {
            let instruction = self.take(1)?[0];
            if instruction == b'.' {
                return self.pop();
            }
            self.execute(instruction)?;
        }
    }

    fn execute(&mut self, instruction: u8) -> Result<(), String> {
        match instruction {
            // Protocol number and frame length carry nothing.
            0x80 => self.take(1).map(drop),
            0x95 => self.take(8).map(drop),
            b'(' => self.push(Item::Mark),
            b'N' | 0x88 | 0x89 => self.push(Item::Opaque),
            b'G' => {
                self.take(8)?;
                self.push(Item::Opaque)
            }
            b'K' => self.push_integer(1),
            b'M' => self.push_integer(2),
            b'J' => {
                let value = self.number(4)? as u32 as i32;
                self.push(Item::Integer(i64::from(value)))
            }
            0x8a => {
                let length = self.number(1)? as usize;
                self.push_integer(length.min(8))
            }
            b'X' => self.push_text(4),
            0x8c => self.push_text(1),
            b'}' => self.push(Item::Mapping(Vec::new())),
            b']' | b')' => self.push(Item::Sequence(Vec::new())),
            b't' => {
                let items = self.pop_to_mark()?;
                self.push(Item::Sequence(items))
            }
            0x85..=0x87 => {
                let length = usize::from(instruction - 0x84);
                let start = self.stack.len().checked_sub(length).ok_or("the stack is empty")?;
                let items = self.stack.split_off(start);
                self.push(Item::Sequence(items))
            }
            b'q' => self.remember(1),
            b'r' => self.remember(4),
            0x94 => {
                let top = self.stack.last().cloned().ok_or("the stack is empty")?;
                self.memo.insert(self.memo.len() as u64, top);
                Ok(())
            }
            b'h' => self.recall(1),
            b'j' => self.recall(4),
            b'c' => {
                let name = format!("{}.{}", self.line()?, self.line()?);
                self.push(Item::Global(name))
            }
            0x93 => {
                let (name, module) = (self.pop_text()?, self.pop_text()?);
                self.push(Item::Global(format!("{module}.{name}")))
            }
            b'Q' => {
                let reference = self.pop()?;
                self.push(storage(reference))
            }
            b'R' | 0x81 => {
                let (arguments, callee) = (self.pop()?, self.pop()?);
                self.push(call(callee, arguments))
            }
            // The state that follows an object, such as the version of a state dict.
            b'b' => self.pop().map(drop),
            b's' => {
                let (value, key) = (self.pop()?, self.pop()?);
                self.extend_mapping(vec![key, value])
            }
            b'u' => {
                let items = self.pop_to_mark()?;
                self.extend_mapping(items)
            }
            b'a' => {
                let item = self.pop()?;
                self.extend_sequence(vec![item])
            }
            b'e' => {
                let items = self.pop_to_mark()?;
                self.extend_sequence(items)
            }
            other => Err(format!("pickle instruction {other:#04x} is not known")),
        }
    }

    fn take(&mut self, length: usize) -> Result<&[u8], String> {
        let (head, rest) = self.input.split_at_checked(length).ok_or("the pickle ends early")?;
        self.input = rest;
        Ok(head)
    }

    /// Little-endian number of up to eight bytes.
    fn number(&mut self, bytes: usize) -> Result<u64, String> {
        Ok(self.take(bytes)?.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte)))
    }

    fn line(&mut self) -> Result<String, String> {
        let end = self.input.iter().position(|byte| *byte == b'\n').ok_or("the pickle ends early")?;
        let text = String::from_utf8_lossy(self.take(end)?).into_owned();
        self.take(1)?;
        Ok(text)
    }

    fn push(&mut self, item: Item) -> Result<(), String> {
        self.stack.push(item);
        Ok(())
    }

    fn push_integer(&mut self, bytes: usize) -> Result<(), String> {
        let value = self.number(bytes)?;
        self.push(Item::Integer(value as i64))
    }

    fn push_text(&mut self, length_bytes: usize) -> Result<(), String> {
        let length = self.number(length_bytes)? as usize;
        let text = String::from_utf8_lossy(self.take(length)?).into_owned();
        self.push(Item::Text(text))
    }

    fn pop(&mut self) -> Result<Item, String> {
        self.stack.pop().ok_or_else(|| "the stack is empty".to_owned())
    }

    fn pop_text(&mut self) -> Result<String, String> {
        match self.pop()? {
            Item::Text(text) => Ok(text),
            other => Err(format!("a name is expected, found {other:?}")),
        }
    }

    fn pop_to_mark(&mut self) -> Result<Vec<Item>, String> {
        let mark = self.stack.iter().rposition(|item| matches!(item, Item::Mark));
        let items = self.stack.split_off(mark.ok_or("there is no mark")? + 1);
        self.stack.pop();
        Ok(items)
    }

    fn remember(&mut self, bytes: usize) -> Result<(), String> {
        let place = self.number(bytes)?;
        let top = self.stack.last().cloned().ok_or("the stack is empty")?;
        self.memo.insert(place, top);
        Ok(())
    }

    fn recall(&mut self, bytes: usize) -> Result<(), String> {
        let place = self.number(bytes)?;
        let item = self.memo.get(&place).cloned().ok_or("an unknown memo is recalled")?;
        self.push(item)
    }

    fn extend_mapping(&mut self, items: Vec<Item>) -> Result<(), String> {
        if let Some(Item::Mapping(entries)) = self.stack.last_mut() {
            let mut items = items.into_iter();
            while let (Some(key), Some(value)) = (items.next(), items.next()) {
                entries.push((key, value));
            }
        }
        Ok(())
    }

    fn extend_sequence(&mut self, more: Vec<Item>) -> Result<(), String> {
        if let Some(Item::Sequence(items)) = self.stack.last_mut() {
            items.extend(more);
        }
        Ok(())
    }
}

/// The storage behind `("storage", torch.FloatStorage, name, device, length)`.
fn storage(reference: Item) -> Item {
    let Item::Sequence(parts) = reference else { return Item::Opaque };
    match parts.as_slice() {
        [_, Item::Global(class), Item::Text(name), ..] => match storage_kind(class) {
            Some(kind) => Item::Storage { name: name.clone(), kind },
            None => Item::Opaque,
        },
        _ => Item::Opaque,
    }
}

fn storage_kind(class: &str) -> Option<Kind> {
    match class.rsplit('.').next()? {
        "FloatStorage" => Some(Kind::Float),
        "HalfStorage" => Some(Kind::Half),
        "BFloat16Storage" => Some(Kind::BFloat16),
        "DoubleStorage" => Some(Kind::Double),
        "LongStorage" => Some(Kind::Int64),
        _ => None,
    }
}

/// What a call would give, as far as tensors are concerned.
fn call(callee: Item, arguments: Item) -> Item {
    let (Item::Global(name), Item::Sequence(arguments)) = (callee, arguments) else { return Item::Opaque };
    match (name.as_str(), arguments.as_slice()) {
        ("collections.OrderedDict", []) => Item::Mapping(Vec::new()),
        ("torch._utils._rebuild_parameter", [Item::Tensor(tensor), ..]) => Item::Tensor(tensor.clone()),
        (
            "torch._utils._rebuild_tensor_v2",
            [
                Item::Storage { name, kind },
                Item::Integer(offset),
                Item::Sequence(size),
                Item::Sequence(stride),
                ..,
            ],
        ) => Item::Tensor(TensorRecord {
            storage: name.clone(),
            kind: *kind,
            offset: *offset,
            size: integers(size),
            stride: integers(stride),
        }),
        _ => Item::Opaque,
    }
}

fn integers(items: &[Item]) -> Vec<i64> {
    items
        .iter()
        .filter_map(|item| if let Item::Integer(value) = item { Some(*value) } else { None })
        .collect()
}

fn flatten(item: Item, path: String, found: &mut BTreeMap<String, TensorRecord>) {
    match item {
        Item::Tensor(tensor) => {
            found.insert(path, tensor);
        }
        Item::Mapping(entries) => {
            for (key, value) in entries {
                if let Item::Text(key) = key {
                    let path = if path.is_empty() { key } else { format!("{path}.{key}") };
                    flatten(value, path, found);
                }
            }
        }
        Item::Mark
        | Item::Integer(_)
        | Item::Text(_)
        | Item::Sequence(_)
        | Item::Global(_)
        | Item::Storage { .. }
        | Item::Opaque => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damaged_pickles_are_refused() {
        assert!(tensors(b"").is_err());
        assert!(tensors(b"\x80\x02").unwrap_err().contains("ends early"));
        assert!(tensors(b"\x80\x02t.").unwrap_err().contains("no mark"));
        assert!(tensors(b"\x80\x02\xff.").unwrap_err().contains("0xff"));
        assert!(tensors(b"\x80\x02}.").unwrap().is_empty());
    }
}
