"""Recurrent layers and wrappers: cases 02 (activations in a cell), 11 (int8) and 14 (what wraps and returns states)."""

from __future__ import annotations

from variations.variation import Table

TABLES = (
    Table("02", "steps", """
        L.LSTM(8, activation='silu')(x)
        L.LSTM(8, activation='relu6', return_sequences=True)(x)
        L.GRU(8, activation='leaky_relu')(x)
        L.GRU(8, activation='hard_sigmoid', unroll=True)(x)
        L.SimpleRNN(8, activation='silu', unroll=True)(x)
        L.SimpleRNN(8, activation='gelu', unroll=True)(x)
        L.SimpleRNN(8, activation='mish')(x)
        L.LSTM(8, recurrent_activation='hard_sigmoid', unroll=True)(x)
        L.GRU(8, recurrent_activation='silu', unroll=True)(x)
        L.LSTM(8, recurrent_activation='hard_silu')(x)
        L.LSTM(8, activation=None, unroll=True)(x)
        L.GRU(8, recurrent_activation=None, unroll=True, reset_after=False)(x)
        L.LSTM(8, activation='exponential', recurrent_activation='softplus', unroll=True)(x)
        3: L.LSTM(8, activation='log_softmax')(x)
        3: L.SimpleRNN(8, activation='celu', unroll=True)(x)
        3: L.SimpleRNN(8, activation=L.LeakyReLU(0.1))(x)
        2: L.SimpleRNN(8, activation=K.activations.swish, unroll=True)(x)
        L.SimpleRNN(8, activation='softmax', unroll=True)(x)
        L.Bidirectional(L.LSTM(8, activation='relu6', unroll=True))(x)
        L.RNN(L.GRUCell(8, activation='silu'), unroll=True)(x)
        """, options=(("says", ("computes nothing that is finite",)),)),  # as e^x of e^x may do
    Table("11", "steps", """
        L.GRU(8)(x)
        L.LSTM(8)(x)
        L.SimpleRNN(8)(x)
        L.GRU(8, unroll=True)(x)
        L.LSTM(8, unroll=True)(x)
        L.SimpleRNN(8, unroll=True, return_sequences=True)(x)
        L.LSTM(4, go_backwards=True, return_sequences=True)(x)
        L.GRU(8, reset_after=False)(x)
        L.GRU(8, use_bias=False, unroll=True, go_backwards=True)(x)
        L.LSTM(3)(L.LSTM(5, return_sequences=True)(x))
        L.LSTM(3, unroll=True)(L.Conv1D(5, 3, strides=2, activation='relu')(x))
        L.GRU(8, stateful=False, dropout=0.2, recurrent_dropout=0.2)(x)
        L.RNN(L.LSTMCell(6))(x)
        L.RNN([L.GRUCell(6), L.GRUCell(4)], unroll=True)(x)
        """),
    Table("11", "lines", """
        L.ConvLSTM1D(4, 3, padding='same')(x)
        L.LSTM(6)(L.TimeDistributed(L.Flatten())(x))
        """),
    Table("14", "steps", """
        L.Bidirectional(L.LSTM(6))(x)
        L.Bidirectional(L.GRU(6, return_sequences=True), merge_mode='sum')(x)
        L.Bidirectional(L.SimpleRNN(6, unroll=True), merge_mode='ave')(x)
        L.Bidirectional(L.LSTM(6, unroll=True, return_sequences=True), merge_mode='mul')(x)
        L.Bidirectional(L.LSTM(5), backward_layer=L.GRU(5, go_backwards=True))(x)
        L.Bidirectional(L.GRU(6), merge_mode=None)(x)
        L.LSTM(6, return_state=True)(x)
        L.GRU(6, return_state=True, return_sequences=True, unroll=True)(x)
        L.LSTM(6, unroll=True)(x, initial_state=[L.Dense(6)(x[:, 0]), L.Dense(6)(x[:, 1])])
        L.GRU(6)(x, initial_state=L.Dense(6)(L.Flatten()(x)))
        L.TimeDistributed(L.Dense(5, activation='relu'))(x)
        L.TimeDistributed(L.LayerNormalization())(x)
        L.Dense(5, activation='leaky_relu')(x)
        L.Conv1D(5, 3, activation='silu', padding='causal')(x)
        3: O.mean(x, axis=[1])
        3: O.mean(x, axis=(1, 2), keepdims=True)
        3: O.var(x, axis=1)
        3: O.max(x, axis=-1) - O.min(x, axis=-1)
        L.LSTM(6)(L.Masking(0.0)(x))
        L.LSTM(6, unroll=True)(L.Dropout(0.3)(x, training=True))
        """),
    Table("14", "clips", """
        L.TimeDistributed(L.Conv2D(4, 3, activation='relu'))(x)
        L.TimeDistributed(L.MaxPooling2D(2))(x)
        L.TimeDistributed(L.Flatten())(x)
        L.TimeDistributed(L.BatchNormalization())(x)
        L.TimeDistributed(K.Sequential([K.Input((8, 8, 3)), L.Conv2D(4, 3), L.GlobalAveragePooling2D()]))(x)
        L.LSTM(5, unroll=True)(L.TimeDistributed(L.GlobalAveragePooling2D())(x))
        L.ConvLSTM2D(4, 3, padding='same', return_sequences=True)(x)
        L.TimeDistributed(L.Resizing(4, 4))(x)
        """),
    Table("14", "ids", """
        L.GRU(5)(L.Embedding(9, 6, mask_zero=True)(x))
        L.Bidirectional(L.LSTM(5, unroll=True))(L.Embedding(9, 6)(x))
        L.GlobalAveragePooling1D()(L.Embedding(9, 6)(x))
        """, places=("alone", "first", "nested", "two inputs", "tapped")),
)  # fmt: skip
