//! The shape of a plan: what must come before what. The only user of petgraph.

use petgraph::algo::kosaraju_scc;
use petgraph::graph::{DiGraph, NodeIndex};
use petgraph::{Direction, Graph};
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Steps by their place in the draft, and edges from what comes first to what comes after. Every answer takes time in
/// proportion to steps and edges, and none recurses: a chain may be as long as the plan.
pub(super) struct Shape {
    graph: DiGraph<(), ()>,
}

impl Shape {
    /// `before[n]` are the steps that must end before step `n`, each once and all below `before.len()`.
    pub(super) fn new(before: &[Vec<usize>]) -> Self {
        let edges = before.iter().map(Vec::len).sum();
        let mut graph = Graph::with_capacity(before.len(), edges);
        for _ in before {
            graph.add_node(());
        }
        for (to, from) in before.iter().enumerate() {
            for from in from {
                graph.add_edge(NodeIndex::new(*from), NodeIndex::new(to), ());
            }
        }
        Self { graph }
    }

    /// The steps that wait for each other, one list per knot, each in the draft's order.
    pub(super) fn cycles(&self) -> Vec<Vec<usize>> {
        let knots = kosaraju_scc(&self.graph).into_iter().filter(|knot| {
            let first = knot[0];
            knot.len() > 1 || self.graph.contains_edge(first, first)
        });
        let mut knots: Vec<Vec<usize>> = knots.map(|k| k.into_iter().map(NodeIndex::index).collect()).collect();
        knots.iter_mut().for_each(|knot| knot.sort_unstable());
        knots.sort_unstable();
        knots
    }

    /// All steps, dependencies first, otherwise as in the draft. Steps of a cycle and after one are left out.
    pub(super) fn order(&self) -> Vec<usize> {
        let mut waiting: Vec<usize> = self.graph.node_indices().map(|n| self.before(n).count()).collect();
        let free = waiting.iter().enumerate().filter(|(_, n)| **n == 0);
        let mut ready: BinaryHeap<Reverse<usize>> = free.map(|(at, _)| Reverse(at)).collect();
        let mut order = Vec::with_capacity(waiting.len());
        while let Some(Reverse(at)) = ready.pop() {
            order.push(at);
            for next in self.graph.neighbors(NodeIndex::new(at)) {
                waiting[next.index()] -= 1;
                if waiting[next.index()] == 0 {
                    ready.push(Reverse(next.index()));
                }
            }
        }
        order
    }

    /// The number of steps on the longest chain of the given order.
    pub(super) fn longest_chain(&self, order: &[usize]) -> usize {
        let mut length = vec![0usize; self.graph.node_count()];
        for at in order {
            let before = self.before(NodeIndex::new(*at)).map(|n| length[n.index()]).max();
            length[*at] = before.unwrap_or(0) + 1;
        }
        length.into_iter().max().unwrap_or(0)
    }

    fn before(&self, node: NodeIndex) -> impl Iterator<Item = NodeIndex> {
        self.graph.neighbors_directed(node, Direction::Incoming)
    }
}
