"""Training: from captioned photos to a model.

    from pathlib import Path

    from captioner.configuration import configuration
    from captioner.jsonl import jsonl
    from captioner.train.consensus import add_consensus
    from captioner.train.recipe import Recipe
    from captioner.train.run import TrainingData, TrainingRun, train

    photos = jsonl(Path("captions.jsonl"), hold_out=True)
    data = TrainingData(photos.of("train"), photos.of("dev"), names=("my photos",))
    run = TrainingRun(configuration("default"), Recipe(epochs=2), Path("run"), Path("cache"))
    print(train(run, data).about["dev_cider_d"])  # of the best epoch, whose model is in run/best
    add_consensus("run/best", data.train, data.names, Path("model"))

`captioner.Captioner.load("model")` then captions by it. `train(run, data, resume=True)` goes on with a run
that was stopped; a run with `start=Path("run/best")` begins with that model. A `Watcher` is told how a run
gets on. What cannot be used raises an error of `captioner.errors`, before the training where it can be seen.

command.py        captioner train, captioner consensus
options.py        their options -> data and run
run.py            train: data and run -> the best model in the run's folder
setup.py          all that a run needs before its first step
recipe.py         the choices of a run
watcher.py        who is told how it gets on
caption_words.py  captions -> words -> a vocabulary
word_vectors.py   GloVe, for a decoder's embedding
features.py       what a frozen encoder sees, made once
detector.py       the word detector, and honest words for training photos
imagination.py    words for captions without photos
augment.py        photos changed a little, for an encoder that is trained
batches.py        photos with their captions, and captions alone
objectives.py     cross-entropy, and self-critical
loop.py           steps and epochs
joint_norm.py     batch normalisation over several processes
processes.py      several processes that train as one
state.py          the saved state of a run
dev_score.py      the score by which the best epoch is kept
consensus.py      statistics of captions, for a finished model
consensus_fit.py  what training captions agree on
cooccurrence.py   words that come together in captions without photos
phrasing.py       how captions go on
"""
