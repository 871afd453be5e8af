//! Many rows in the order of their keys, found by the key at once.

use crate::judge::names::Key;

/// Rows in the order of a key, with the place where the rows of each key start.
#[derive(Debug)]
pub(super) struct Grouped<T> {
    /// By the key's index; one more than there are keys.
    starts: Vec<u32>,
    rows: Vec<T>,
}

impl<T> Default for Grouped<T> {
    fn default() -> Self {
        Self { starts: vec![], rows: vec![] }
    }
}

/// Where the rows of each key start, and the numbers of the rows in the order of the keys; rows of one key stay in theirs.
/// Counting, and no comparing: there may be ten million rows, and hardly more to a key than a few.
pub(super) fn order<T>(rows: &[T], keys: usize, key: impl Fn(&T) -> Key) -> (Vec<u32>, Vec<u32>) {
    let mut starts = vec![0u32; keys + 1];
    for row in rows {
        if let Some(count) = starts.get_mut(key(row).index() + 1) {
            *count += 1;
        }
    }
    let mut sum = 0;
    for start in &mut starts {
        sum += *start;
        *start = sum;
    }
    // Each start runs to the start of the next key while the rows are laid down, and is then where it was, one key on.
    let mut order = vec![0u32; rows.len()];
    for (number, row) in (0..).zip(rows) {
        if let Some(start) = starts.get_mut(key(row).index()) {
            if let Some(slot) = order.get_mut(*start as usize) {
                *slot = number;
            }
            *start += 1;
        }
    }
    starts.rotate_right(1);
    if let Some(first) = starts.first_mut() {
        *first = 0;
    }
    (starts, order)
}

impl<T: Copy> Grouped<T> {
    /// Puts the rows of each key together; `within` puts them in an order of their own.
    pub(super) fn new(rows: &[(Key, T)], keys: usize, within: impl Fn(&mut [T])) -> Self {
        let (starts, order) = order(rows, keys, |(key, _)| *key);
        let mut rows: Vec<T> =
            order.iter().filter_map(|i| rows.get(*i as usize).map(|(_, row)| *row)).collect();
        for pair in starts.windows(2) {
            if let [from, to] = pair
                && to - from > 1
                && let Some(group) = rows.get_mut(*from as usize..*to as usize)
            {
                within(group);
            }
        }
        Self { starts, rows }
    }

    /// The rows of a key.
    pub(super) fn of(&self, key: Key) -> &[T] {
        let at = key.index();
        match self.starts.get(at..at + 2) {
            Some([from, to]) => self.rows.get(*from as usize..*to as usize).unwrap_or(&[]),
            _ => &[],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judge::estate::Interner;
    use crate::judge::names::Namespace;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn rows_of_a_key_are_those_that_have_it(given in prop::collection::vec((0..7usize, any::<u8>()), 0..60)) {
            let (mut names, mut people) = (Interner::default(), Namespace::one());
            let keys: Vec<Key> = (0..8)
                .map(|i| { let name = names.intern(&i.to_string()); people.resolve(&mut names, 0, name) })
                .collect();
            let rows: Vec<(Key, u8)> = given.iter().map(|(k, n)| (keys[*k], *n)).collect();
            let grouped = Grouped::new(&rows, people.len(), <[_]>::sort_unstable);
            for key in keys {
                let mut own: Vec<_> = rows.iter().filter(|r| r.0 == key).map(|r| r.1).collect();
                own.sort_unstable();
                prop_assert_eq!(grouped.of(key), own.as_slice());
            }
        }
    }
}
