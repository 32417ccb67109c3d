"""The networks of GPT-SoVITS v1, v2, v2Pro and v2ProPlus, of any width and depth.

They know tensors, lengths and masks. They know nothing of text, files, devices' queues or where their weights
came from; `weights` alone knows upstream's names. Everything here needs torch and nothing else.

    semantic         phonemes and a prompt become semantic tokens; its memory is in `cache`
    quantiser        content features become semantic tokens, and tokens what they stand for
    prior            tokens and phonemes become latents, by way of `encoder`
    style            recordings become a style
    flow             latents of the prior to those of the posterior and back, by way of `wavenet`
    generator        latents become sound; `spectral` may do so in its place; `tiles`: part by part
    decoder          the five above in one
    speaker          recordings become a speaker embedding
    spectrogram      sound becomes what the style encoder reads; `fbank`: what the speaker encoder reads
    content          recordings become content features, where HuBERT is not at hand
    convnext         the blocks of `spectral` and `content`
    posterior        a spectrogram becomes latents; training alone needs it, and
    discriminators   they judge sound

A batch is real everywhere: lanes of different length share a pass, each with its length, and what stands past
a lane's length never reaches what stands before it.
"""
