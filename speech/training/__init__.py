"""How a voice learns: recordings with their text become the weights of a voice. A pure library.

    recordings      list files: which recording says what
    slicing         long sound is cut at its silences
    examine         whether a recording is fit to learn from, and what all of them hold
    features        what the networks read of a recording, made once and kept
    batches         recordings side by side, as tensors
    order           which recordings go into which update: a function of the seed
    options         how a voice is trained
    losses          what is minimised, as upstream has it
    normed          weight norm, unfolded for training
    steps           what both update steps share: optimiser, precision, recomputation
    decoder         the update step of the decoder and its discriminators
    semantic        the update step of the semantic model
    content         the update step of a content encoder
    lora            the semantic model with a small adapter in place of new weights
    trainer         order, update step and held-out recordings in one; stopped and resumed to the bit
    kinds           a trainer of each kind: what it asks of recordings
    checkpoint      its state on disk, whole or not at all
    loop            runs a trainer until it is done or must stop
    parallel        several processes share an update
    published       what was learnt under upstream's names
    corpus          all that one training learns from, in one file
    evaluate        how like its speaker what came out is
    expect          how long a training will take
    plots           losses and evaluation as pictures
    course          a voice's whole training, stage by stage, carried from machine to machine

Nothing is drawn from global state: noise, crops and dropout follow from the seed, the update's number and the
place in it. So a training that was killed and resumed ends with the weights of one that was not.
"""
