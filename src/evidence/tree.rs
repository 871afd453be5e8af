//! The Merkle tree of RFC 6962: one hash stands for everything that was ever written down, in its order.
//!
//! Nothing here holds a whole tree. A [`Frontier`] is what has to be known to add to one, some sixty hashes at the most;
//! proofs are worked out from the hashes of perfect subtrees, which the caller looks up by level and place.

use sha2::{Digest as _, Sha256};

/// A hash of the tree.
pub type Node = [u8; 32];

/// Leaves lie below 2^63, as numbers of rows do.
const MAX_SIZE: u64 = 1 << 63;

/// The hash of an entry.
#[must_use]
pub fn leaf(text: &[u8]) -> Node {
    let mut sha = Sha256::new();
    sha.update([0]);
    sha.update(text);
    sha.finalize().into()
}

/// The hash of two subtrees.
#[must_use]
pub fn node(left: &Node, right: &Node) -> Node {
    let mut bytes = [1; 65];
    for (to, from) in bytes.iter_mut().skip(1).zip(left.iter().chain(right)) {
        *to = *from;
    }
    Sha256::digest(bytes).into()
}

/// The root of a tree of no entries.
#[must_use]
pub fn empty_root() -> Node {
    Sha256::digest([]).into()
}

/// Where a perfect subtree is: `level` 0 is an entry, and each level above holds twice as many; `index` counts those of
/// its level from the left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// How high.
    pub level: u32,
    /// The how many'th of its level, from 0.
    pub index: u64,
}

/// What has to be known of a tree to add to it: the perfect subtrees it is made of, the largest first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Frontier {
    size: u64,
    nodes: Vec<Node>,
}

impl Frontier {
    /// Of the tree with these subtrees; `None` when a tree of this size has another number of them.
    #[must_use]
    pub fn of(size: u64, nodes: Vec<Node>) -> Option<Self> {
        (size < MAX_SIZE && nodes.len() == size.count_ones() as usize).then_some(Self { size, nodes })
    }

    /// How many entries.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The subtrees, the largest first.
    #[must_use]
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// Adds an entry by its hash. `done` is shown each subtree that becomes whole by it, entry first.
    pub fn push(&mut self, leaf: Node, mut done: impl FnMut(Place, &Node)) {
        let mut place = Place { level: 0, index: self.size };
        let mut whole = leaf;
        done(place, &whole);
        while place.index & 1 == 1 {
            let Some(left) = self.nodes.pop() else { break };
            whole = node(&left, &whole);
            place = Place { level: place.level + 1, index: place.index >> 1 };
            done(place, &whole);
        }
        self.nodes.push(whole);
        self.size += 1;
    }

    /// The root.
    #[must_use]
    pub fn root(&self) -> Node {
        let mut smallest_first = self.nodes.iter().rev();
        let Some(last) = smallest_first.next() else { return empty_root() };
        smallest_first.fold(*last, |right, left| node(left, &right))
    }
}

/// Looks up the hash of a perfect subtree.
pub type Lookup<'l, E> = dyn FnMut(Place) -> Result<Node, E> + 'l;

/// The root of the entries from `start`, which must be where a subtree of that length may begin, up to `end`.
fn range<E>(start: u64, end: u64, look: &mut Lookup<'_, E>) -> Result<Node, E> {
    let mut places = vec![];
    let mut at = start;
    while at < end {
        // The largest that begins here and does not reach beyond.
        let fits = (end - at).ilog2();
        let level = if at == 0 { fits } else { fits.min(at.trailing_zeros()) };
        places.push(Place { level, index: at >> level });
        at += 1 << level;
    }
    let mut root = None;
    for place in places.into_iter().rev() {
        let left = look(place)?;
        root = Some(root.map_or(left, |right| node(&left, &right)));
    }
    Ok(root.unwrap_or_else(empty_root))
}

/// The root of the first `size` entries.
///
/// # Errors
/// Those of `look`.
pub fn root_of<E>(size: u64, look: &mut Lookup<'_, E>) -> Result<Node, E> {
    range(0, size, look)
}

/// Where a tree of `n` entries divides: the largest power of two below `n`, which is at least 2.
fn split(n: u64) -> u64 {
    1 << (n - 1).ilog2()
}

/// The proof that the entry `index` is in the tree of the first `size` entries, from its sibling up (RFC 6962, 2.1.1).
/// Nothing where there is no such entry.
///
/// # Errors
/// Those of `look`.
pub fn inclusion<E>(index: u64, size: u64, look: &mut Lookup<'_, E>) -> Result<Vec<Node>, E> {
    let (mut start, mut end) = (0, size);
    let mut ranges = vec![];
    if index < size {
        while end - start > 1 {
            let middle = start + split(end - start);
            if index < middle {
                ranges.push((middle, end));
                end = middle;
            } else {
                ranges.push((start, middle));
                start = middle;
            }
        }
    }
    ranges.into_iter().rev().map(|(from, to)| range(from, to, look)).collect()
}

/// The proof that the tree of the first `old` entries is the beginning of the tree of the first `size` (RFC 6962, 2.1.2).
///
/// # Errors
/// Those of `look`.
pub fn consistency<E>(old: u64, size: u64, look: &mut Lookup<'_, E>) -> Result<Vec<Node>, E> {
    if old == 0 || old >= size {
        return Ok(vec![]);
    }
    let (mut start, mut end) = (0, size);
    let mut ranges = vec![];
    // Whether the old tree is a subtree as it stands, and its root is known to whoever checks.
    let mut known = true;
    while old != end {
        let middle = start + split(end - start);
        if old <= middle {
            ranges.push((middle, end));
            end = middle;
        } else {
            ranges.push((start, middle));
            start = middle;
            known = false;
        }
    }
    if !known {
        ranges.push((start, end));
    }
    ranges.into_iter().rev().map(|(from, to)| range(from, to, look)).collect()
}

/// Whether the proof shows that the entry with this hash is the `index`'th of the tree with this root.
#[must_use]
pub fn includes(entry: &Node, index: u64, size: u64, proof: &[Node], root: &Node) -> bool {
    if index >= size {
        return false;
    }
    // RFC 9162, 2.1.3.2.
    let (mut at, mut last) = (index, size - 1);
    let mut hash = *entry;
    for other in proof {
        if last == 0 {
            return false;
        }
        if at & 1 == 1 || at == last {
            hash = node(other, &hash);
            while at & 1 == 0 && at != 0 {
                at >>= 1;
                last >>= 1;
            }
        } else {
            hash = node(&hash, other);
        }
        at >>= 1;
        last >>= 1;
    }
    last == 0 && hash == *root
}

/// Whether the proof shows that the tree with the root `old_root` is the beginning of the tree with the root `root`.
#[must_use]
pub fn extends(old: u64, old_root: &Node, size: u64, root: &Node, proof: &[Node]) -> bool {
    if old > size {
        return false;
    }
    if old == size {
        return proof.is_empty() && old_root == root;
    }
    if old == 0 {
        return proof.is_empty() && *old_root == empty_root();
    }
    // RFC 9162, 2.1.4.2.
    let mut proof = proof.iter();
    let first = if old.is_power_of_two() { Some(old_root) } else { proof.next() };
    let Some(first) = first else { return false };
    let (mut at, mut last) = (old - 1, size - 1);
    while at & 1 == 1 {
        at >>= 1;
        last >>= 1;
    }
    let (mut was, mut is) = (*first, *first);
    for other in proof {
        if last == 0 {
            return false;
        }
        if at & 1 == 1 || at == last {
            was = node(other, &was);
            is = node(other, &is);
            while at & 1 == 0 && at != 0 {
                at >>= 1;
                last >>= 1;
            }
        } else {
            is = node(&is, other);
        }
        at >>= 1;
        last >>= 1;
    }
    last == 0 && was == *old_root && is == *root
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::convert::Infallible;

    use proptest::prelude::*;

    use super::*;

    /// RFC 6962, 2.1, word for word.
    fn mth(d: &[Vec<u8>]) -> Node {
        match d {
            [] => Sha256::digest([]).into(),
            [one] => leaf(one),
            _ => {
                let k = (d.len().next_power_of_two() / 2).min(d.len() - 1);
                node(&mth(&d[..k]), &mth(&d[k..]))
            }
        }
    }

    /// RFC 6962, 2.1.1.
    fn path(m: usize, d: &[Vec<u8>]) -> Vec<Node> {
        if d.len() <= 1 {
            return vec![];
        }
        let k = d.len().next_power_of_two() / 2;
        if m < k {
            [path(m, &d[..k]), vec![mth(&d[k..])]].concat()
        } else {
            [path(m - k, &d[k..]), vec![mth(&d[..k])]].concat()
        }
    }

    /// RFC 6962, 2.1.2.
    fn subproof(m: usize, d: &[Vec<u8>], b: bool) -> Vec<Node> {
        if m == d.len() {
            return if b { vec![] } else { vec![mth(d)] };
        }
        let k = d.len().next_power_of_two() / 2;
        if m <= k {
            [subproof(m, &d[..k], b), vec![mth(&d[k..])]].concat()
        } else {
            [subproof(m - k, &d[k..], false), vec![mth(&d[..k])]].concat()
        }
    }

    fn entries(n: usize) -> Vec<Vec<u8>> {
        (0..n).map(|i| format!("entry {i}").into_bytes()).collect()
    }

    /// A tree of these entries, and all its perfect subtrees.
    fn grown(d: &[Vec<u8>]) -> (Frontier, BTreeMap<Place, Node>) {
        let (mut frontier, mut nodes) = (Frontier::default(), BTreeMap::new());
        for text in d {
            frontier.push(leaf(text), |place, node| {
                nodes.insert(place, *node);
            });
        }
        (frontier, nodes)
    }

    fn hex(node: &Node) -> String {
        node.iter().map(|b| format!("{b:02x}")).collect()
    }

    /// The vectors of Certificate Transparency's own tests (`merkletree`, `reference`).
    #[test]
    fn the_roots_are_those_of_certificate_transparency() {
        let inputs: [&[u8]; 8] = [
            b"",
            b"\x00",
            b"\x10",
            b"\x20\x21",
            b"\x30\x31",
            b"\x40\x41\x42\x43",
            b"\x50\x51\x52\x53\x54\x55\x56\x57",
            b"\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f",
        ];
        let roots = [
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
            "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
            "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
            "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
            "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
            "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
            "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
        ];
        let mut frontier = Frontier::default();
        assert_eq!(hex(&frontier.root()), roots[0]);
        for (input, root) in inputs.iter().zip(&roots[1..]) {
            frontier.push(leaf(input), |_, _| {});
            assert_eq!(hex(&frontier.root()), *root);
        }
    }

    #[test]
    fn every_small_tree_is_as_the_rfc_has_it() {
        for n in 0..70 {
            let d = entries(n);
            let (frontier, nodes) = grown(&d);
            let root = mth(&d);
            assert_eq!(frontier.root(), root, "{n}");
            assert_eq!(Frontier::of(n as u64, frontier.nodes().to_vec()), Some(frontier));
            let mut look = |place: Place| Ok::<_, Infallible>(nodes[&place]);
            for m in 0..=n {
                let size = n as u64;
                let Ok(old_root) = root_of(m as u64, &mut look);
                assert_eq!(old_root, mth(&d[..m]));
                if m < n {
                    let Ok(proof) = inclusion(m as u64, size, &mut look);
                    assert_eq!(proof, path(m, &d), "{m} of {n}");
                    assert!(includes(&leaf(&d[m]), m as u64, size, &proof, &root));
                }
                let Ok(proof) = consistency(m as u64, size, &mut look);
                if m > 0 {
                    assert_eq!(proof, subproof(m, &d, true), "{m} to {n}");
                }
                assert!(extends(m as u64, &old_root, size, &root, &proof), "{m} to {n}");
            }
        }
    }

    #[test]
    fn a_frontier_has_as_many_subtrees_as_its_size_has_ones() {
        assert!(
            Frontier::of(3, vec![[0; 32]]).is_none() && Frontier::of(u64::MAX, vec![[0; 32]; 64]).is_none()
        );
    }

    proptest! {
        /// No proof shows anything else: another entry, place, size, root, or a hash more, less or changed.
        #[test]
        fn a_proof_shows_one_thing(n in 1..200usize, m in 0..200usize, other in 0..400u64, bit in 0..256usize) {
            let m = m % n;
            let d = entries(n);
            let (frontier, nodes) = grown(&d);
            let mut look = |place: Place| Ok::<_, Infallible>(nodes[&place]);
            let (index, size, root) = (m as u64, n as u64, frontier.root());
            let Ok(proof) = inclusion(index, size, &mut look);
            let entry = leaf(&d[m]);
            prop_assert!(includes(&entry, index, size, &proof, &root));
            prop_assert!(!includes(&leaf(b"another"), index, size, &proof, &root));
            prop_assert!(other == index || !includes(&entry, other, size, &proof, &root));
            let flip = |hash: &Node| {
                let mut hash = *hash;
                hash[bit / 8] ^= 1 << (bit % 8);
                hash
            };
            prop_assert!(!includes(&entry, index, size, &proof, &flip(&root)));
            let Ok(steps) = consistency(index + 1, size, &mut look);
            let Ok(old_root) = root_of(index + 1, &mut look);
            prop_assert!(extends(index + 1, &old_root, size, &root, &steps));
            prop_assert!(!extends(index + 1, &flip(&old_root), size, &root, &steps));
            prop_assert!(!extends(index + 1, &old_root, size, &flip(&root), &steps));
            for (proof, inclusion) in [(&proof, true), (&steps, false)] {
                let holds = |proof: &[Node]| match inclusion {
                    true => includes(&entry, index, size, proof, &root),
                    false => extends(index + 1, &old_root, size, &root, proof),
                };
                for at in 0..proof.len() {
                    let mut changed = proof.clone();
                    changed[at] = flip(&changed[at]);
                    prop_assert!(!holds(&changed));
                    changed.remove(at);
                    prop_assert!(!holds(&changed));
                }
                prop_assert!(!holds(&[proof.as_slice(), &[[7; 32]]].concat()));
            }
        }
    }
}
