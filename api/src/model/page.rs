//! A page of a list.

use serde::Serialize;
use serde::de::DeserializeOwned;
use utoipa::ToSchema;

use crate::params::Cursor;

/// A page of a list.
#[derive(Debug, Serialize, ToSchema)]
pub struct Page<T> {
    /// What is on it.
    pub items: Vec<T>,
    /// Give it as `cursor` for the next page; null on the last one.
    pub next_cursor: Option<String>,
}

impl<T> Page<T> {
    /// Makes a page of at most `limit` items; one more among `items` says that there is another page.
    pub fn of<K: Serialize + DeserializeOwned>(
        mut items: Vec<T>,
        limit: u32,
        key: impl FnOnce(&T) -> K,
    ) -> Self {
        let limit = limit as usize;
        let has_more = items.len() > limit;
        items.truncate(limit);
        let last = items.last().filter(|_| has_more);
        Self {
            next_cursor: last.map(|item| Cursor(key(item)).encode()),
            items,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_page_that_another_one_follows_has_a_cursor() {
        let page = |items: &[i64], limit| {
            let page = Page::of(items.to_vec(), limit, |item| *item);
            (page.items.len(), page.next_cursor.is_some())
        };
        assert_eq!(page(&[], 2), (0, false));
        assert_eq!(page(&[1, 2], 2), (2, false));
        assert_eq!(page(&[1, 2, 3], 2), (2, true));
        let page = Page::of(vec![1_i64, 2, 3], 2, |item| *item);
        assert_eq!(page.next_cursor, Some(Cursor(2_i64).encode()));
    }
}
