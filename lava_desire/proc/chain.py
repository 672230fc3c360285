"""The processes of a whole network, built and wired."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from lava_desire.config import DesireConfig
from lava_desire.model.integers import LayerFormat
from lava_desire.proc.checks import check_arrays, check_count, check_per_layer
from lava_desire.proc.desire_connection.process import DesireConnection
from lava_desire.proc.desire_lif.process import DesireLIF
from lava_desire.proc.desire_teacher.process import DesireTeacher
from lava_desire.proc.rate_encoder.process import RateEncoder


@dataclass(frozen=True)
class DesireChain:
    """Encoder, plastic connections, layers and teacher: spikes go forward, desires come back.

    What is left to connect are ``encoder.brightness_in``, ``teacher.label_in`` and any outputs.

    Attributes
    ----------
    config : DesireConfig
    encoder : RateEncoder
    connections : tuple of DesireConnection
        L of them, each the process of its kind of synapse; connection ℓ, at index ℓ − 1, leads to
        layer ℓ.
    layers : tuple of DesireLIF
        L of them, the output layer last.
    teacher : DesireTeacher

    Examples
    --------
    >>> from lava_desire import DesireConfig
    >>> from lava_desire.proc import DesireChain
    >>> chain = DesireChain.build(DesireConfig((64, 20, 10)))
    >>> [connection.weights.shape for connection in chain.connections]
    [(20, 64), (10, 20)]
    """

    config: DesireConfig
    encoder: RateEncoder
    connections: tuple[DesireConnection, ...]
    layers: tuple[DesireLIF, ...]
    teacher: DesireTeacher

    @classmethod
    def build(
        cls,
        config: DesireConfig,
        weights: Sequence[Any] | None = None,
        *,
        training: bool = True,
        learning_enabled: bool = True,
        dropout_masks: Sequence[Any] | None = None,
        samples_seen: int = 0,
        formats: Sequence[LayerFormat] | None = None,
        input_rates: Sequence[Any] | None = None,
        rated_samples: int = 0,
    ) -> DesireChain:
        """Build the processes of a network and connect them.

        Parameters
        ----------
        config : DesireConfig
            The network.
        weights : sequence of array, optional
            L arrays (N_ℓ, N_{ℓ−1}), of convolutions (C', C, k_h, k_w), float, or integer mantissas;
            drawn from the config's seed when not given.
        training, learning_enabled : bool
            Whether neurons are dropped and spikes scaled, and whether weights change.
        dropout_masks : sequence, optional
            L arrays (S, N_ℓ) bool, of the input and each hidden layer, used in turn; drawn from
            the config's seed when not given.
        samples_seen : int
            Samples that have had their dropout masks before.
        formats : sequence of LayerFormat, optional
            How the L layers are written in fixed point.
        input_rates : sequence of array, optional
            L arrays (N_{ℓ−1},) float64, mean firing rates of each layer's inputs, where a network
            that follows them goes on; see :class:`~lava_desire.proc.DesireConnection`.
        rated_samples : int
            Samples that they are the mean of.

        Returns
        -------
        DesireChain
            The processes, wired.

        Raises
        ------
        ValueError
            If an argument is not as above.
        """
        weights, masks = check_per_layer(config, weights, dropout_masks)
        rates = check_arrays(config, "input_rates", input_rates)
        common: dict[str, Any] = {
            "config": config,
            "training": training,
            "samples_seen": check_count("samples_seen", samples_seen, 0),
        }
        chain = cls(
            config,
            RateEncoder(dropout_masks=masks[0], **common),
            tuple(
                DesireConnection.of(config.synapses[layer - 1])(
                    layer=layer,
                    weights=array,
                    learning_enabled=learning_enabled,
                    formats=formats,
                    input_rates=rates[layer - 1],
                    output_rates=rates[layer] if layer < len(rates) else None,
                    rated_samples=rated_samples,
                    **common,
                )
                for layer, array in enumerate(weights, start=1)
            ),
            tuple(
                DesireLIF(layer=layer, dropout_masks=mask, formats=formats, **common)
                for layer, mask in enumerate((*masks[1:], None), start=1)
            ),
            DesireTeacher(config=config),
        )
        chain._connect()
        return chain

    def _connect(self) -> None:
        below: Any = self.encoder
        for connection, layer in zip(self.connections, self.layers, strict=True):
            below.s_out.connect(connection.s_in)
            connection.a_out.connect(layer.a_in)
            layer.s_out.connect(connection.s_post_in)
            if self.config.eligibility_policy is not None:
                layer.eligible_out.connect(connection.eligible_in)
            below = layer
        below.s_out.connect(self.teacher.s_in)
        # And backward: desire into a connection, z out of it, from which the next desire is made.
        self.teacher.desire_out.connect(self.connections[-1].desire_in)
        if self.config.follows_rates:
            for connection in self.connections:
                self.teacher.third_factor_out.connect(connection.third_factor_in)
        for connection, layer in zip(self.connections, self.layers[:-1], strict=False):
            layer.desire_out.connect(connection.desire_in)
        for connection, layer in zip(self.connections[1:], self.layers[:-1], strict=True):
            connection.z_out.connect(layer.z_in)
