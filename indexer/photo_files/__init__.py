"""Which file a caption's photo is: the same, moved, changed, another one's, or gone."""
