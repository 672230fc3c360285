"""An order in which senders run before those that receive."""

from __future__ import annotations


def topological_order(
    num_nodes: int, edges: list[tuple[int, int]], first: frozenset[int] = frozenset()
) -> list[int]:
    """Order nodes so that each comes after those that lead to it, as far as cycles let.

    Edges say from where to where; `first` are those that come first in a cycle that they belong to.
    Returns every node once; where the order is free, by number.
    """
    order: list[int] = []
    for members in _components(num_nodes, edges):
        ahead = [node for node in members if node in first]
        behind = [node for node in members if node not in first]
        if len(members) == 1 or not ahead:
            order += sorted(members)
            continue
        order += sorted(ahead)
        place = {node: number for number, node in enumerate(sorted(behind))}
        inner = [(place[a], place[b]) for a, b in edges if a in place and b in place]
        names = sorted(behind)
        order += [names[number] for number in topological_order(len(names), inner)]
    return order


def _components(num_nodes: int, edges: list[tuple[int, int]]) -> list[list[int]]:
    """Return the strongly connected components, each after those that lead to it (Kosaraju)."""
    forward: list[list[int]] = [[] for _ in range(num_nodes)]
    backward: list[list[int]] = [[] for _ in range(num_nodes)]
    for start, end in edges:
        forward[start].append(end)
        backward[end].append(start)
    seen = [False] * num_nodes
    finished: list[int] = []
    for root in reversed(range(num_nodes)):
        if not seen[root]:
            finished += _depth_first(root, forward, seen)
    seen = [False] * num_nodes
    return [_depth_first(root, backward, seen) for root in reversed(finished) if not seen[root]]


def _depth_first(root: int, following: list[list[int]], seen: list[bool]) -> list[int]:
    """Return what is reached from a node and has not been seen, in the order of finishing."""
    finished = []
    seen[root] = True
    stack = [(root, iter(sorted(following[root], reverse=True)))]
    while stack:
        node, rest = stack[-1]
        for following_node in rest:
            if not seen[following_node]:
                seen[following_node] = True
                stack.append(
                    (following_node, iter(sorted(following[following_node], reverse=True)))
                )
                break
        else:
            stack.pop()
            finished.append(node)
    return finished
