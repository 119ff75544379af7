//! Finding fields by their names. Structs have a few, mostly in the order in which they are looked for, but a peer may send one with thousands:
//! then to look through all of them for each is what takes the time.

use std::collections::HashMap;

/// So many are looked through; more have an index.
const FEW: usize = 16;

/// The places of names. Names may come twice: each place is taken once, the first one first.
pub struct ByName<'n> {
    /// Those that are not taken.
    few: Vec<Option<&'n [u8]>>,
    /// The places of each, last first.
    many: HashMap<&'n [u8], Vec<usize>>,
}

impl<'n> ByName<'n> {
    pub fn new(names: impl ExactSizeIterator<Item = &'n [u8]>) -> ByName<'n> {
        if names.len() <= FEW {
            return ByName { few: names.map(Some).collect(), many: HashMap::new() };
        }
        let mut many: HashMap<_, Vec<_>> = HashMap::with_capacity(names.len());
        names.enumerate().for_each(|(place, name)| many.entry(name).or_default().push(place));
        many.values_mut().for_each(|places| places.reverse());
        ByName { few: Vec::new(), many }
    }

    /// The first place of the name that has not been taken.
    pub fn take(&mut self, name: &[u8]) -> Option<usize> {
        if let Some(places) = self.many.get_mut(name) {
            return places.pop();
        }
        let place = self.few.iter().position(|other| *other == Some(name))?;
        self.few[place] = None;
        Some(place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_place_is_taken_once_the_first_one_first() {
        for more in [0, 100] {
            let fill: Vec<_> = (0..more).map(|number| format!("fill {number}")).collect();
            let names = ["a", "b", "a", ""].into_iter().chain(fill.iter().map(String::as_str)).collect::<Vec<_>>();
            let mut places = ByName::new(names.iter().map(|name| name.as_bytes()));
            let taken = ["a", "c", "a", "a", "b", "b", "", ""].map(|name| places.take(name.as_bytes()));
            assert_eq!(taken, [Some(0), None, Some(2), None, Some(1), None, Some(3), None], "{more} more");
        }
    }

    /// Nothing is looked through.
    #[test]
    fn many_have_an_index() {
        let names: Vec<_> = (0..8000).map(|number| format!("field_{number}")).collect();
        let mut places = ByName::new(names.iter().map(String::as_bytes));
        assert!(places.few.is_empty());
        assert!(names.iter().enumerate().rev().all(|(place, name)| places.take(name.as_bytes()) == Some(place)));
        assert!(places.many.values().all(Vec::is_empty));
    }
}
