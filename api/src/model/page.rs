//! A page of a list.

use serde::Serialize;
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
    /// Makes a page of at most `limit` items, whose cursor is the key of its last item.
    pub fn of<K: Serialize>(items: Vec<T>, limit: u32, key: impl FnOnce(&T) -> K) -> Self {
        Self::cut(items, limit, |last| Cursor(key(last)).encode())
    }

    /// Makes a page of at most `limit` items; one more among `items` says that there is another page, which `cursor` of
    /// the last item names.
    pub fn cut(mut items: Vec<T>, limit: u32, cursor: impl FnOnce(&T) -> String) -> Self {
        let limit = limit as usize;
        let has_more = items.len() > limit;
        items.truncate(limit);
        let last = items.last().filter(|_| has_more);
        Self {
            next_cursor: last.map(cursor),
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
            let page = Page::cut(items.to_vec(), limit, i64::to_string);
            (page.items.len(), page.next_cursor.is_some())
        };
        assert_eq!(page(&[], 2), (0, false));
        assert_eq!(page(&[1, 2], 2), (2, false));
        assert_eq!(page(&[1, 2, 3], 2), (2, true));
        let page = Page::cut(vec![1_i64, 2, 3], 2, i64::to_string);
        assert_eq!(page.next_cursor, Some("2".to_owned()));
    }
}
