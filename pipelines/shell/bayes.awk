# Naive Bayes over words: which text does a line come from?
#
#   awk -v alpha=0.5 -f bayes.awk A/counts.txt B/counts.txt … A/test.txt B/test.txt …
#
# A text is called after the folder that its files stand in. Prints `truth<TAB>answer` for each line to be judged.
# `alpha` is how often every word counts as seen in every text before any is read.

FNR == 1 {
    parts = split(FILENAME, part, "/")
    text = part[parts - 1]
    counting = (part[parts] == "counts.txt")
    if (counting) names[++texts] = text
}

counting {
    seen[text, $2] = $1
    total[text] += $1
    if (!($2 in known)) { known[$2] = 1; words++ }
    next
}

{
    answer = ""
    for (i = 1; i <= texts; i++) {
        score = 0
        for (w = 1; w <= NF; w++)
            if ($w in known)
                score += log((seen[names[i], $w] + alpha) / (total[names[i]] + alpha * words))
        if (answer == "" || score > best) { answer = names[i]; best = score }
    }
    print text "\t" answer
}
