"""The starter voice: a neural voice trained from nothing on speech that anyone can make freely.

    recipe        how much of what: the numbers of every stage
    phones        the phones of the corpus
    narrators     who reads: flite's voices and variants of them
    flite         one sentence becomes sound with the end of every phone
    sentences     sentences of our own, drawn from patterns
    texts         sentences of books that the user points to
    corpus        stage 1: sentences become shards of sound, phones and times
    content       stage 2: the content encoder learns the phones
    tokens        stage 3: a codebook, and every sentence in its tokens
    decoder       stage 4: the decoder learns to speak the tokens
    publish       stage 6: four narrators as four voices of one set of weights
    measures      how right the content encoder is, phone by phone
    semantic      stage 5: the semantic model learns from sentences alone and after a prompt
    diction       what the semantic model says, in phones
    recogniser    what is heard of a voice, word by word
    timbre        whose voice a recording is in
    evaluate      all of it in figures
    pictures      and drawn

`python -m starter STAGE` runs a stage, `make starter` all there are. Each goes on where it was stopped, and
gives the same files for the same recipe and texts. docs/starter.md says what comes out and what is to come.
"""
