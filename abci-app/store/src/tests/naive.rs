//! The rules of the tree once more, as plainly as they can be said: nodes on the heap, copied on every write,
//! hashed from scratch.

use std::rc::Rc;

use sha2::{Digest, Sha256};

use crate::hash::Hash;

#[derive(Clone)]
pub(super) enum Node {
    Leaf { key: Vec<u8>, value: Vec<u8>, version: u64 },
    Inner { left: Rc<Node>, right: Rc<Node>, version: u64 },
}

fn varint(n: u64) -> Vec<u8> {
    let (mut n, mut out) = (n * 2, Vec::new());
    loop {
        let byte = (n % 128) as u8;
        n /= 128;
        if n == 0 {
            out.push(byte);
            return out;
        }
        out.push(byte + 128);
    }
}

fn uvarint(n: usize) -> Vec<u8> {
    if n < 128 { vec![n as u8] } else { [vec![(n % 128) as u8 + 128], uvarint(n / 128)].concat() }
}

impl Node {
    pub(super) fn height(&self) -> i64 {
        match self {
            Self::Leaf { .. } => 0,
            Self::Inner { left, right, .. } => 1 + left.height().max(right.height()),
        }
    }

    pub(super) fn size(&self) -> u64 {
        match self {
            Self::Leaf { .. } => 1,
            Self::Inner { left, right, .. } => left.size() + right.size(),
        }
    }

    fn first(&self) -> &[u8] {
        match self {
            Self::Leaf { key, .. } => key,
            Self::Inner { left, .. } => left.first(),
        }
    }

    pub(super) fn hash(&self) -> Hash {
        let mut data = [varint(self.height() as u64), varint(self.size())].concat();
        match self {
            Self::Leaf { key, value, version } => {
                data.extend(varint(*version));
                data.extend(uvarint(key.len()));
                data.extend(key);
                data.push(32);
                data.extend(Sha256::digest(value));
            }
            Self::Inner { left, right, version } => {
                data.extend(varint(*version));
                data.push(32);
                data.extend(left.hash());
                data.push(32);
                data.extend(right.hash());
            }
        }
        Sha256::digest(data).into()
    }
}

fn rotate_right(node: &Node, v: u64) -> Node {
    let Node::Inner { left, right, .. } = node else { panic!() };
    let Node::Inner { left: a, right: b, .. } = &**left else { panic!() };
    let low = Node::Inner { left: b.clone(), right: right.clone(), version: v };
    Node::Inner { left: a.clone(), right: Rc::new(low), version: v }
}

fn rotate_left(node: &Node, v: u64) -> Node {
    let Node::Inner { left, right, .. } = node else { panic!() };
    let Node::Inner { left: a, right: b, .. } = &**right else { panic!() };
    let low = Node::Inner { left: left.clone(), right: a.clone(), version: v };
    Node::Inner { left: Rc::new(low), right: b.clone(), version: v }
}

fn lean(node: &Node) -> i64 {
    let Node::Inner { left, right, .. } = node else { return 0 };
    left.height() - right.height()
}

fn join(left: Rc<Node>, right: Rc<Node>, v: u64) -> Rc<Node> {
    let node = Node::Inner { left: left.clone(), right: right.clone(), version: v };
    Rc::new(match lean(&node) {
        2 if lean(&left) >= 0 => rotate_right(&node, v),
        2 => rotate_right(&Node::Inner { left: Rc::new(rotate_left(&left, v)), right, version: v }, v),
        -2 if lean(&right) <= 0 => rotate_left(&node, v),
        -2 => rotate_left(&Node::Inner { left, right: Rc::new(rotate_right(&right, v)), version: v }, v),
        _ => node,
    })
}

pub(super) fn set(at: Option<&Rc<Node>>, k: &[u8], value: &[u8], v: u64) -> Rc<Node> {
    let new = || Rc::new(Node::Leaf { key: k.to_vec(), value: value.to_vec(), version: v });
    let Some(at) = at else { return new() };
    match &**at {
        Node::Leaf { key, .. } if key == k => new(),
        Node::Leaf { key, .. } if k < key.as_slice() => {
            Rc::new(Node::Inner { left: new(), right: at.clone(), version: v })
        }
        Node::Leaf { .. } => Rc::new(Node::Inner { left: at.clone(), right: new(), version: v }),
        Node::Inner { left, right, .. } if k < right.first() => {
            join(set(Some(left), k, value, v), right.clone(), v)
        }
        Node::Inner { left, right, .. } => join(left.clone(), set(Some(right), k, value, v), v),
    }
}

/// `Err` if the key is not there.
pub(super) fn remove(at: &Rc<Node>, k: &[u8], v: u64) -> Result<Option<Rc<Node>>, ()> {
    Ok(match &**at {
        Node::Leaf { key, .. } if key == k => None,
        Node::Leaf { .. } => return Err(()),
        Node::Inner { left, right, .. } if k < right.first() => Some(match remove(left, k, v)? {
            None => right.clone(),
            Some(left) => join(left, right.clone(), v),
        }),
        Node::Inner { left, right, .. } => Some(match remove(right, k, v)? {
            None => left.clone(),
            Some(right) => join(left.clone(), right, v),
        }),
    })
}
